"""The delivery process: from the spool to MongoDB and the monitor."""
