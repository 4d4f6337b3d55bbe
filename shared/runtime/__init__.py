"""What every process shares: start, signals, drain, the consume loop, health, the clock."""
