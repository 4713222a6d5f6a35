# What AWS accepts, for the validations of variables. The module has no inputs: a validation may use a module's output
# only if that module does not depend on the variable.

locals {
  # https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html#cron-based
  cron_numbers = {
    JAN = 1, FEB = 2, MAR = 3, APR = 4, MAY = 5, JUN = 6, JUL = 7, AUG = 8, SEP = 9, OCT = 10, NOV = 11, DEC = 12
    SUN = 1, MON = 2, TUE = 3, WED = 4, THU = 5, FRI = 6, SAT = 7
  }

  cron_values = {
    minute = "[0-5]?[0-9]"
    hour   = "(?:[01]?[0-9]|2[0-3])"
    day    = "(?:0?[1-9]|[12][0-9]|3[01])"
    month  = "(?:0?[1-9]|1[0-2]|JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)"
    year   = "(?:19[7-9][0-9]|2[01][0-9][0-9])"
  }
  cron_steps = {
    minute = "(?:[1-9]|[1-5][0-9])"
    hour   = "(?:[1-9]|1[0-9]|2[0-3])"
    day    = "(?:[1-9]|[12][0-9]|3[01])"
    month  = "(?:[1-9]|1[0-2])"
    year   = "[1-9][0-9]{0,2}"
  }

  # All, or values and ranges. Each may have a step.
  cron_fields = {
    for field, value in local.cron_values : field => format(
      "(?:\\*(?:/%[2]s)?|%[1]s(?:-%[1]s)?(?:/%[2]s)?(?:,%[1]s(?:-%[1]s)?(?:/%[2]s)?)*)", value, local.cron_steps[field]
    )
  }
  # Alone in their field: the last day of the month, the last working day, the working day nearest to a day.
  day_of_month = "(?:${local.cron_fields["day"]}|L|LW|${local.cron_values["day"]}W)"
  # No steps here. Alone in the field: the last day of the week, the last such day of a month, the first to the fifth.
  week_day    = "(?:[1-7]|SUN|MON|TUE|WED|THU|FRI|SAT)"
  day_of_week = format("(?:\\*|%[1]s(?:-%[1]s)?(?:,%[1]s(?:-%[1]s)?)*|L|%[1]sL|%[1]s#[1-5])", local.week_day)
  # Exactly one of the two days is left open.
  cron_days = "(?:${local.day_of_month} ${local.cron_fields["month"]} \\?|\\? ${local.cron_fields["month"]} ${local.day_of_week})"
}
