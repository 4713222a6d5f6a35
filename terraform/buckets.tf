module "source_bucket" {
  source = "./modules/bucket"

  name      = local.source_bucket_name
  partition = local.partition

  # An upload that waits is not lost when another one overwrites it: each message names its version, and the analysis
  # deletes that version and no other.
  versioning_enabled = true

  force_destroy = var.force_destroy
  tags          = var.tags
}

module "final_bucket" {
  source = "./modules/bucket"

  name      = local.final_bucket_name
  partition = local.partition

  # Each name in here is claimed once and never overwritten.
  versioning_enabled = false

  force_destroy = var.force_destroy
  tags          = var.tags
}
