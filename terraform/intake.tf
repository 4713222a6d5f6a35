module "intake" {
  source = "./modules/intake"

  name       = var.name
  partition  = local.partition
  region     = local.region
  account_id = local.account_id

  bucket_name              = module.source_bucket.name
  image_suffixes           = var.image_suffixes
  consumer_timeout_seconds = local.analyze_image_timeout_seconds
  tags                     = var.tags
}
