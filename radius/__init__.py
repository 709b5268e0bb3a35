"""Who may be online, on what terms, and how much was used: the core. Imports no sibling package."""
