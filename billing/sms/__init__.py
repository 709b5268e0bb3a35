"""Text messages: one port, and what can stand behind it (Africa's Talking, any HTTP gateway, Amazon SNS, a file).

Knows `radius.domain`, the kinds of settings (`radius.settings`), httpx and boto3. No store, no service, and no log:
neither a number nor a text is in an exception, a repr or a refusal, so none can get into one. Nothing here sends a
message twice: no gateway is known to be idempotent, and an answer that was lost is `Unknown`.
"""
