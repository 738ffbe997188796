"""Hot SQL of settlements: staging and booking of report lines, and what the gateway owes us."""
