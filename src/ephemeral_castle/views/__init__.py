"""What people and scripts see: pure functions from plans, events and plain data to text and JSON.

Nothing here prints or asks the time; the command line does both.
"""
