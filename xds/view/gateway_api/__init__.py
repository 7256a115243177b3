"""The Gateway API: which routes are attached to which listeners and Services, and what that makes of their requests."""
