module "intake" {
  source = "./modules/intake"

  name       = var.name
  partition  = local.partition
  region     = local.region
  account_id = local.account_id

  bucket_name              = local.source_bucket_name
  bucket_is_own            = var.source_bucket_name == null
  source_events            = coalesce(var.source_events, "notification")
  source_prefix            = var.source_prefix
  image_suffixes           = var.image_suffixes
  consumer_timeout_seconds = local.analyze_image_timeout_seconds
  kms_key_arn              = var.kms_key_arn
  tags                     = var.tags
}

# Said in every plan, for what is replaced cannot be seen there: the provider does not read what the bucket had.
check "notification_is_ours" {
  assert {
    condition     = var.source_bucket_name == null || var.source_events != "notification"
    error_message = "The notification configuration of bucket ${coalesce(var.source_bucket_name, "null")} is REPLACED as a whole, with whatever notifies others of it today, because source_events is \"notification\". Take \"eventbridge\" or \"external\" if anything else listens to this bucket."
  }
}
