provider "aws" {
  region = var.region
}

# ---------------------------------------------------------------------------------------------------------------------
# What the account already has
# ---------------------------------------------------------------------------------------------------------------------

data "aws_caller_identity" "current" {}

resource "aws_s3_bucket" "photos" {
  bucket = "${var.name}-photos-${data.aws_caller_identity.current.account_id}"
}

# Not S3 notifications: each copy of the module would replace those of the others.
resource "aws_s3_bucket_notification" "photos" {
  bucket      = aws_s3_bucket.photos.id
  eventbridge = true
}

# ---------------------------------------------------------------------------------------------------------------------
# What this adds
# ---------------------------------------------------------------------------------------------------------------------

module "pipeline" {
  source   = "../.."
  for_each = var.models

  name                = "${var.name}-${each.key}"
  project_arn         = each.value.project_arn
  project_version_arn = each.value.project_version_arn
  alarm_emails        = [] # name who gets the alarms, or subscribe to the output alarm_topic_arn
  schedule_expression = each.value.schedule_expression

  source_bucket_name = aws_s3_bucket.photos.bucket # not id, which is unknown at plan time
  source_events      = "eventbridge"
  source_prefix      = "${each.key}/incoming/"

  final_bucket_name = aws_s3_bucket.photos.bucket
  final_prefix      = "${each.key}/"
}
