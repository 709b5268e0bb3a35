"""Load, decide, commit; and decide again when another writer was first. No SDK, no socket, no file."""
