"""Safaricom's M-Pesa: Daraja's bodies (pure), the client that carries them, and the portal's statement."""
