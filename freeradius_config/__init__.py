"""What is laid over a stock FreeRADIUS configuration, and the program that lays it."""
