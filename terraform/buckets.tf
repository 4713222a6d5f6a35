locals {
  # By name and so known at plan, whoever made the bucket: policies that name it can be read in the plan.
  source_bucket_name = coalesce(var.source_bucket_name, one(module.source_bucket[*].name))
  final_bucket_name  = coalesce(var.final_bucket_name, one(module.final_bucket[*].name))
  source_bucket_arn  = "arn:${local.partition}:s3:::${local.source_bucket_name}"
  final_bucket_arn   = "arn:${local.partition}:s3:::${local.final_bucket_name}"

  # The objects that this deployment takes, and the folders that it writes: nothing else of either bucket is its own.
  source_objects_arn = "${local.source_bucket_arn}/${var.source_prefix}*"
  final_folder_arns = {
    for folder in ["failed", "processed", "reconcile", "runs"] : folder => "${local.final_bucket_arn}/${var.final_prefix}${folder}"
  }
}

module "source_bucket" {
  source = "./modules/bucket"
  count  = var.source_bucket_name == null ? 1 : 0 # Not known before the apply? Give source_bucket_name = format("%s", aws_s3_bucket.NAME.bucket), which is known to be no null.

  name      = local.own_source_bucket_name
  partition = local.partition

  # An upload that waits is not lost when another one overwrites it: each message names its version, and the analysis
  # deletes that version and no other.
  versioning_enabled = true

  kms_key_arn   = var.kms_key_arn
  force_destroy = var.force_destroy
  tags          = var.tags
}

module "final_bucket" {
  source = "./modules/bucket"
  count  = var.final_bucket_name == null ? 1 : 0 # Not known before the apply? Give final_bucket_name = format("%s", aws_s3_bucket.NAME.bucket), which is known to be no null.

  name      = local.own_final_bucket_name
  partition = local.partition

  # Each name in here is claimed once and never overwritten.
  versioning_enabled = false

  kms_key_arn   = var.kms_key_arn
  force_destroy = var.force_destroy
  tags          = var.tags
}

# No bucket that is given is ever a resource here: its policy, versions, encryption and lifecycle are its owner's.
moved {
  from = module.source_bucket
  to   = module.source_bucket[0]
}

moved {
  from = module.final_bucket
  to   = module.final_bucket[0]
}
