"""Alerts of one box: the alarms that AWS gets, judged here, and what only a box has; told once, and when over."""
