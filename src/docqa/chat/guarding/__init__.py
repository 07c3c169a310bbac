"""What stands between a request and the page. Each middleware does one thing; ``serving`` puts them in order."""
