# ---------------------------------------------------------------------------------------------------------------------
# What the estate has
# ---------------------------------------------------------------------------------------------------------------------

data "aws_caller_identity" "current" {}

# Nobody else is notified by this bucket, or would not be any more: the module owns its notification configuration.
resource "aws_s3_bucket" "photos" {
  bucket = "${var.name}-photos-${data.aws_caller_identity.current.account_id}"
}

# ---------------------------------------------------------------------------------------------------------------------
# What is added
# ---------------------------------------------------------------------------------------------------------------------

module "pipeline" {
  source = "../.."

  name                = var.name
  project_arn         = var.project_arn
  project_version_arn = var.project_version_arn

  source_bucket_name = aws_s3_bucket.photos.bucket # known at plan, as id is not
  source_events      = "notification"              # REPLACES the bucket's notification configuration
}
