"""Looking at the world: what a plan is made from, with its time."""
