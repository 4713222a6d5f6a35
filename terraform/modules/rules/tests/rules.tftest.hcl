run "cron_takes_what_eventbridge_scheduler_takes" {
  command = plan

  assert {
    condition = alltrue([
      for expression in [
        "cron(0 8 ? * MON-FRI *)",
        "cron(0/15 8-18 ? * MON-FRI *)",
        "cron(*/5 * * * ? *)",
        "cron(0 0 1 1 ? 2030)",
        "cron(59 23 31 12 ? 2199)",
        "cron(00 08 ? * 2-6 1970-2199)",
        "cron(0 18 L * ? *)",
        "cron(0 18 LW * ? *)",
        "cron(0 18 15W * ? *)",
        "cron(15 10 ? * 6L 2022-2023)",
        "cron(0 9 ? * 3#2 *)",
        "cron(0 9 ? * MON#1 *)",
        "cron(0 9 ? * L *)",
        "cron(0,20,40 22-23,0-6 1-7/2,15 JAN,MAR-JUN,12 ? 2026,2028/2)",
        "cron(0 0 ? 1/3 SUN,WED,6 *)",
        "cron(0 0 ? * * *)",
      ] : can(regex(output.cron_pattern, expression))
    ])
    error_message = "What AWS documents as right must be taken."
  }
}

run "cron_refuses_what_eventbridge_scheduler_refuses" {
  command = plan

  assert {
    condition = alltrue([
      for expression in [
        "cron(0 8 * * * *)",            # both days
        "cron(0 8 * * MON *)",          # both days
        "cron(0 8 1 * MON *)",          # both days
        "cron(0 8 ? * ? *)",            # neither day
        "cron(0 25 ? * MON *)",         # hour
        "cron(0 24 ? * MON *)",         # hour
        "cron(60 8 ? * MON *)",         # minute
        "cron(-1 8 ? * MON *)",         # minute
        "cron(0 8 0 * ? *)",            # day of month
        "cron(0 8 32 * ? *)",           # day of month
        "cron(0 8 1 0 ? *)",            # month
        "cron(0 8 1 13 ? *)",           # month
        "cron(0 8 1 JANUARY ? *)",      # month
        "cron(0 8 1 MON ? *)",          # month
        "cron(0 8 ? * 0 *)",            # day of week
        "cron(0 8 ? * 8 *)",            # day of week
        "cron(0 8 ? * MONDAY *)",       # day of week
        "cron(0 8 ? * JAN *)",          # day of week
        "cron(0 8 ? * 2/2 *)",          # step in the days of the week
        "cron(0 8 ? * 3#1,6#3 *)",      # two instances
        "cron(0 8 ? * 3#6 *)",          # sixth instance
        "cron(0 8 ? * 15W *)",          # W in the days of the week
        "cron(0 8 3#2 * ? *)",          # # in the days of the month
        "cron(0 8 1,L * ? *)",          # L with others
        "cron(0 8 1-15W * ? *)",        # W with others
        "cron(L 8 1 * ? *)",            # L in minutes
        "cron(? 8 1 * ? *)",            # ? in minutes
        "cron(0 8 1 ? MON *)",          # ? in months
        "cron(0 8 1 * ? ?)",            # ? in years
        "cron(0 8 1 * ? 1969)",         # year
        "cron(0 8 1 * ? 2200)",         # year
        "cron(0/0 8 1 * ? *)",          # step
        "cron(0/60 8 1 * ? *)",         # step
        "cron(0/ 8 1 * ? *)",           # step
        "cron(0, 8 1 * ? *)",           # list
        "cron(1- 8 1 * ? *)",           # range
        "cron(*,5 8 1 * ? *)",          # all and more
        "cron(0 8 1 * ?)",              # five fields
        "cron(0 0 8 1 * ? *)",          # seven fields
        "cron(0  8 1 * ? *)",           # an empty field
        "cron( 0 8 1 * ? *)",           # blank in front
        "0 8 ? * MON-FRI *",            # no cron()
        "Cron(0 8 ? * MON-FRI *)",      # case
        "cron(@daily)",                 # no nicknames
        "cron(0 8 ? * MON-FRI *) # 8h", # something behind
      ] : !can(regex(output.cron_pattern, expression))
    ])
    error_message = "What AWS documents as wrong must be refused."
  }
}

run "rates_and_instants" {
  command = plan

  assert {
    condition     = alltrue([for expression in ["rate(1 minute)", "rate(1 hour)", "rate(1 day)", "rate(2 minutes)", "rate(10 hours)", "rate(90 days)"] : can(regex(output.rate_pattern, expression))])
    error_message = "Right rates must be taken."
  }

  assert {
    condition     = alltrue([for expression in ["rate(0 minutes)", "rate(1 hours)", "rate(2 hour)", "rate(-5 minutes)", "rate(1.5 hours)", "rate(30 seconds)", "rate(1 week)", "rate(01 hour)", "rate(5minutes)", "rate(5  minutes)", "rate(minute)"] : !can(regex(output.rate_pattern, expression))])
    error_message = "Wrong rates must be refused."
  }

  assert {
    condition     = regex(output.at_pattern, "at(2030-01-31T08:00:00)") == ["2030-01-31T08:00:00"] && alltrue([for expression in ["at(2030-01-31)", "at(2030-01-31T08:00:00Z)", "at(2030-01-31 08:00:00)", "at(30-01-31T08:00:00)"] : !can(regex(output.at_pattern, expression))])
    error_message = "An instant must be told by its form."
  }
}

run "time_zones_are_those_of_iana" {
  command = plan

  assert {
    condition     = alltrue([for zone in ["UTC", "Etc/UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Asia/Kolkata", "Asia/Calcutta", "Etc/GMT+12", "America/Port-au-Prince", "US/Pacific"] : contains(output.time_zones, zone)])
    error_message = "IANA's names must be there, the old ones too."
  }

  assert {
    condition     = alltrue([for zone in ["", "CEST", "PDT", "IST", "Europe/Berln", "europe/berlin", "Berlin", "UTC+1", "+01:00", "Central European Time", "Factory", "localtime", "Europe/Berlin "] : !contains(output.time_zones, zone)])
    error_message = "Abbreviations, typing errors and offsets are no names."
  }

  assert {
    condition     = max([for zone in output.time_zones : length(zone)]...) <= 50
    error_message = "EventBridge Scheduler takes 50 characters."
  }
}

run "names_of_buckets" {
  command = plan

  assert {
    condition = alltrue([
      for name in ["abc", "a.b.c", "1photos", "photos-2024.example.com", "192.168.5.4.photos", "my--bucket", "photos-123456789012-us-east-1-an", join("", [for i in range(63) : "a"])] :
      can(regex(output.bucket_name_pattern, name)) && !can(regex(output.reserved_bucket_name_pattern, name))
    ])
    error_message = "Odd names that S3 allows must be taken."
  }

  assert {
    condition = alltrue([
      for name in [
        "", "ab", join("", [for i in range(64) : "a"]), "Photos", "my_bucket", "-photos", "photos-", ".photos", "photos.", "my..bucket",
        "192.168.5.4", "xn--photos", "sthree-photos", "sthree-configurator-photos", "amzn-s3-demo-photos", "photos-s3alias", "photos--ol-s3", "photos.mrap",
        "photos--use1-az4--x-s3", "photos--table-s3", "s3://photos", "photos/incoming", "arn:aws:s3:::photos", "phötos", "photos ",
      ] :
      !can(regex(output.bucket_name_pattern, name)) || can(regex(output.reserved_bucket_name_pattern, name))
    ])
    error_message = "Names that S3 refuses must be refused."
  }
}

run "texts_of_tags" {
  command = plan

  assert {
    condition     = alltrue([for text in ["owner", "cost centre", "a:b/c=d+e-f@g_h.i", "größe", "日本"] : can(regex(output.tag_text_pattern, text))])
    error_message = "Letters of all languages, digits, spaces and _ . : / = + - @ must be taken."
  }

  assert {
    condition     = alltrue([for text in ["", "a,b", "a&b", "a\nb", "a\tb", "50%", "#1", "a*"] : !can(regex(output.tag_text_pattern, text))])
    error_message = "Other characters must be refused."
  }
}
