"""Who may post provider events: the providers and their secrets, the signatures Anymail does not check, the start's check."""
