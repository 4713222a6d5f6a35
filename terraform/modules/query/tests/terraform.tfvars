name             = "labels-a"
bucket_name      = "results"
prefix           = "logos/"
base_policy_json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}"
max_scanned_gib  = 10

place = {
  partition  = "aws"
  region     = "us-east-1"
  account_id = "123456789012"
}

controls = {
  kms_key_arn              = null
  permissions_boundary_arn = null
  iam_path                 = "/"
  tags                     = {}
}
