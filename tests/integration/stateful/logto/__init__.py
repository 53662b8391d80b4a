"""The declaration of Logto, and the sync against a stand-in for a server."""
