"""The sections of an application file that say how flags are answered: teams, endpoints, respond."""
