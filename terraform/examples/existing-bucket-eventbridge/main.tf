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

resource "aws_s3_bucket_versioning" "photos" {
  bucket = aws_s3_bucket.photos.id

  versioning_configuration {
    status = "Enabled"
  }
}

# Do not copy this: it replaces the bucket's whole notification configuration. If your bucket has such a resource, add
# `eventbridge = true` to it. Once that is on, any number of rules may listen.
resource "aws_s3_bucket_notification" "photos" {
  bucket      = aws_s3_bucket.photos.id
  eventbridge = true
}

# ---------------------------------------------------------------------------------------------------------------------
# What this adds
# ---------------------------------------------------------------------------------------------------------------------

module "pipeline" {
  source = "../.."

  name                = var.name
  project_arn         = var.project_arn
  project_version_arn = var.project_version_arn
  alarm_emails        = [] # name who gets the alarms, or subscribe to the output alarm_topic_arn

  source_bucket_name = aws_s3_bucket.photos.bucket # not id, which is unknown at plan time
  source_events      = "eventbridge"
  source_prefix      = "incoming/"
}
