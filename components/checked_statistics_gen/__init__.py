"""A StatisticsGen that notices damaged examples."""
