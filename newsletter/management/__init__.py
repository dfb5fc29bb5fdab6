"""Management commands of `newsletter`. Commands that send or need workers are in `workers.management`."""
