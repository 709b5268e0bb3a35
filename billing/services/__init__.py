"""Load, decide, commit, and decide again when it was overtaken. No SDK, no clock of their own."""
