"""Changes live sessions (RFC 5176): what a router is told, how it is sent, what it answers. Imports radius only."""
