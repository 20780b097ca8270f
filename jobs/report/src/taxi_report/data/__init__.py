"""What people do to the stored data: delete, correct, back up, restore."""
