"""Backups of a box: everything that a new machine needs, in one sealed file, and the proof that it can be read."""
