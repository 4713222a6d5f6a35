output "rate_pattern" {
  description = "Regular expression of EventBridge Scheduler's rate(...)."
  value       = "^rate\\((?:1 (?:minute|hour|day)|(?:[2-9]|[1-9][0-9]+) (?:minutes|hours|days))\\)$"
}

output "cron_pattern" {
  description = "Regular expression of EventBridge Scheduler's cron(...), including which of the two day fields must be a question mark. It does not check whether a range ends before it begins."
  value       = "^cron\\(${local.cron_fields["minute"]} ${local.cron_fields["hour"]} ${local.cron_days} ${local.cron_fields["year"]}\\)$"
}

output "cron_range_pattern" {
  description = "Regular expression of the ranges in a cron(...), with both ends as groups."
  value       = "([0-9A-Z]+)-([0-9A-Z]+)"
}

output "cron_numbers" {
  description = "Numbers of the months and days of the week that a cron(...) may call by name."
  value       = local.cron_numbers
}

output "at_pattern" {
  description = "Regular expression of EventBridge Scheduler's at(...), with the time as its group. timeadd tells whether that day and time exist."
  value       = "^at\\(([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})\\)$"
}

output "schedule_expression_allowed" {
  description = "What a schedule expression may be, for error messages."
  value       = "rate(1 hour), rate(15 minutes) and the like; or cron(minutes hours day-of-month month day-of-week year) such as cron(0 8 ? * MON-FRI *), with minutes 0-59, hours 0-23, days 1-31 (or L, W), months 1-12 or JAN-DEC, days of the week 1-7 or SUN-SAT (or L, #), years 1970-2199, exactly one of the two days a ?, and ranges that do not run backwards (22-23,0-6 and not 22-6); or at(2030-01-31T08:00:00) with a day and time that there is; 256 characters at most"
}

output "time_zones" {
  description = "Names of time zones in the IANA database, which EventBridge Scheduler uses."
  value       = jsondecode(file("${path.module}/time_zones.json"))
}

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
output "bucket_name_pattern" {
  description = "Regular expression of the characters of a bucket name."
  value       = "^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"
}

output "reserved_bucket_name_pattern" {
  description = "Regular expression of reserved bucket names, which bucket_name_pattern would allow."
  value       = "\\.\\.|^[0-9]+\\.[0-9]+\\.[0-9]+\\.[0-9]+$|^(?:xn--|sthree-|amzn-s3-demo-)|(?:-s3alias|--ol-s3|\\.mrap|--x-s3|--table-s3)$"
}

output "bucket_name_allowed" {
  description = "What a bucket name may be, for error messages."
  value       = "3 to 63 lower-case letters, digits, dots and hyphens that start and end with a letter or a digit, no two dots in a row, no IP address, and none of what S3 reserves: xn--, sthree- and amzn-s3-demo- in front, -s3alias, --ol-s3, .mrap, --x-s3 and --table-s3 at the end"
}

# The strictest of the services here: IAM and Lambda.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html#id_tags_rules
output "tag_text_pattern" {
  description = "Regular expression of the characters of tag keys and values."
  value       = "^[\\p{L}\\p{Z}\\p{N}_.:/=+@-]+$"
}
