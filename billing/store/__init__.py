"""The DynamoDB edge of selling, and the same in memory."""
