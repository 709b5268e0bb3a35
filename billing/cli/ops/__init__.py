"""`ops`: what is looked at each day, week and month, on one box and on AWS, as one page each."""
