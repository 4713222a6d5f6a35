# The results as a stream for SQL, if it is wanted.

data "aws_iam_policy_document" "results_stream" {
  source_policy_documents = [
    data.aws_iam_policy_document.key_use["results_stream"].json,
    data.aws_iam_policy_document.own_buckets.json,
  ]
}

module "query" {
  source = "./modules/query"
  count  = var.query_enabled ? 1 : 0

  name             = var.name
  place            = local.place
  controls         = local.controls
  bucket_name      = local.final_bucket_name
  prefix           = var.final_prefix
  base_policy_json = data.aws_iam_policy_document.results_stream.json
  max_scanned_gib  = 10 # US$0.05 at US$5 per TB
}
