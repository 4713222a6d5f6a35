# ---------------------------------------------------------------------------------------------------------------------
# What the estate has
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

# One switch for the whole bucket: any number of rules may listen, and none replaces another.
resource "aws_s3_bucket_notification" "photos" {
  bucket      = aws_s3_bucket.photos.id
  eventbridge = true
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
  source_events      = "eventbridge"
  source_prefix      = "incoming/"
}
