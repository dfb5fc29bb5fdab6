"""The pages of the caught mail, in embedded mode only."""
