provider "aws" {
  region = var.region
}

# ---------------------------------------------------------------------------------------------------------------------
# What the account already has
# ---------------------------------------------------------------------------------------------------------------------

data "aws_caller_identity" "current" {}

resource "aws_s3_bucket" "releases" {
  bucket = "${var.name}-releases-${data.aws_caller_identity.current.account_id}"
}

resource "aws_s3_bucket_versioning" "releases" {
  bucket = aws_s3_bucket.releases.id

  versioning_configuration {
    status = "Enabled"
  }
}

# A release pipeline would upload them; what counts here is the version that each gets.
resource "aws_s3_object" "package" {
  for_each = toset(["analyze_image", "check_queue", "reconcile", "record_run", "start_model", "stop_model", "toggle_trigger", "watchdog"])

  bucket      = aws_s3_bucket_versioning.releases.bucket
  key         = "labels/v0.1.0/${each.key}.zip"
  source      = "${path.module}/../../../build/${each.key}.zip"
  source_hash = filemd5("${path.module}/../../../build/${each.key}.zip")
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

  package_s3_bucket          = aws_s3_bucket.releases.bucket # not id, which is unknown at plan time
  package_s3_key_prefix      = "labels/v0.1.0/"
  package_s3_object_versions = { for package, object in aws_s3_object.package : package => object.version_id }
}
