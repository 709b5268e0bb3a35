"""The rules of selling: pure functions over values. No I/O, no clock, no chance: time and random bytes are given."""
