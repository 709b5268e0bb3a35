"""The DynamoDB edge: `open_store` gives every port of `radius.ports`; start reading at `keys`, the access patterns."""
