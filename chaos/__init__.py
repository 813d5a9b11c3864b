"""What tries to break the promises, and what notices: checkers, campaigns, and the simulation with all checkers on."""
