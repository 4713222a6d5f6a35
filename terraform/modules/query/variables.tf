variable "name" {
  description = "Prefix of every resource's name."
  type        = string
  nullable    = false
}

variable "place" {
  description = "Partition, region and account, for ARNs."
  type        = object({ partition = string, region = string, account_id = string })
  nullable    = false
}

variable "controls" {
  description = "What the account's owner asks of every role: permissions boundary, IAM path, KMS key and tags."
  type        = object({ kms_key_arn = string, permissions_boundary_arn = string, iam_path = string, tags = map(string) })
  nullable    = false
}

variable "bucket_name" {
  description = "The final bucket."
  type        = string
  nullable    = false
}

variable "prefix" {
  description = "Prefix of every key in the final bucket: empty, or one that ends with a slash."
  type        = string
  nullable    = false
}

variable "base_policy_json" {
  description = "What the stream may do with the bucket's KMS key, and what no role may do, as a policy document."
  type        = string
  nullable    = false
}

variable "max_scanned_gib" {
  description = "The most that one query may scan, in GiB. Athena cancels a query that reaches it."
  type        = number
  nullable    = false
}
