module "intake" {
  source = "./modules/intake"

  name  = var.name
  place = local.place

  bucket_name              = local.source_bucket_name
  bucket_is_own            = var.source_bucket_name == null
  source_events            = local.source_events
  source_prefix            = var.source_prefix
  image_suffixes           = var.image_suffixes
  consumer_timeout_seconds = local.analyze_image_timeout_seconds
  kms_key_arn              = var.kms_key_arn

  sender_arns             = concat([for package in ["analyze_image", "reconcile"] : local.role_arns[package]], var.redrive_principal_arns)
  dead_letter_sender_arns = concat([for package in ["analyze_image", "check_queue"] : local.role_arns[package]], var.redrive_principal_arns)

  tags = var.tags
}
