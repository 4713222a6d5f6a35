locals {
  # Known at plan time, whoever made the bucket, so that the plan shows the policies that name it.
  source_bucket_name = coalesce(var.source_bucket_name, one(module.source_bucket[*].name))
  final_bucket_name  = coalesce(var.final_bucket_name, one(module.final_bucket[*].name))
  source_bucket_arn  = "arn:${local.partition}:s3:::${local.source_bucket_name}"
  final_bucket_arn   = "arn:${local.partition}:s3:::${local.final_bucket_name}"

  # The objects that this deployment takes, and the folders that it writes. It touches nothing else in either bucket.
  source_objects_arn = "${local.source_bucket_arn}/${var.source_prefix}*"
  final_folder_arns = {
    for folder in ["failed", "processed", "reconcile", "runs"] : folder => "${local.final_bucket_arn}/${var.final_prefix}${folder}"
  }
}

module "source_bucket" {
  source = "./modules/bucket"
  count  = var.source_bucket_name == null ? 1 : 0 # Not known before the apply? Give source_bucket_name = format("%s", aws_s3_bucket.NAME.bucket), which is known not to be null.

  name      = local.own_source_bucket_name
  partition = local.partition

  # A waiting upload is not lost when another one overwrites it: each message names its version, and the analysis deletes
  # only that version.
  versioning_enabled = true

  # A version that was overwritten may still wait: 14 days in the queue, and as long again among the dead letters.
  noncurrent_version_days = var.deleted_upload_retention_days
  incomplete_upload_days  = var.incomplete_upload_retention_days

  kms_key_arn   = var.kms_key_arn
  force_destroy = var.force_destroy
  tags          = var.tags
}

module "final_bucket" {
  source = "./modules/bucket"
  count  = var.final_bucket_name == null ? 1 : 0 # Not known before the apply? Give final_bucket_name = format("%s", aws_s3_bucket.NAME.bucket), which is known not to be null.

  name      = local.own_final_bucket_name
  partition = local.partition

  # Each name in here is claimed once and never overwritten.
  versioning_enabled = false

  # The reports of the reconcile alone. Results, failures and receipts never expire.
  expire_days_by_prefix  = var.reconcile_retention_days == null ? {} : { "${var.final_prefix}reconcile/" = var.reconcile_retention_days }
  incomplete_upload_days = var.incomplete_upload_retention_days

  kms_key_arn   = var.kms_key_arn
  force_destroy = var.force_destroy
  tags          = var.tags
}

# A bucket of yours is never a resource here: you keep its policy, versions, encryption and lifecycle.
moved {
  from = module.source_bucket
  to   = module.source_bucket[0]
}

moved {
  from = module.final_bucket
  to   = module.final_bucket[0]
}

# A bucket's name says nothing of its owner: if a bucket is deleted, anyone may take its name, and images would go there.
# Null, because without the key nothing is known, and nothing denied.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-resourceaccount
data "aws_iam_policy_document" "own_buckets" {
  statement {
    sid       = "DenyBucketsOfOtherAccounts"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = ["*"]

    condition {
      test     = "Null"
      variable = "aws:ResourceAccount"
      values   = ["false"]
    }

    condition {
      test     = "StringNotEquals"
      variable = "aws:ResourceAccount"
      values   = [local.account_id]
    }
  }
}
