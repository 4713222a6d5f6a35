locals {
  runs_table_name = "${var.name}-runs"
  runs_table_arn  = "arn:${local.partition}:dynamodb:${local.region}:${local.account_id}:table/${local.runs_table_name}"
}

# The lease of the model, the runs, and what each run has labelled so far.
resource "aws_dynamodb_table" "run" {
  name         = local.runs_table_name
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "model"
  range_key    = "item"
  tags         = var.tags

  # Nothing in it outlives the pipeline, because receipts are in the final bucket. But without it nobody can prove whose
  # model runs, and the protection keeps it from being deleted by mistake.
  deletion_protection_enabled = var.runs_table_deletion_protection

  attribute {
    name = "model"
    type = "S"
  }

  attribute {
    name = "item"
    type = "S"
  }

  # Without kms_key_arn, DynamoDB uses a key that AWS owns, for which there is no setting.
  dynamic "server_side_encryption" {
    for_each = var.kms_key_arn == null ? [] : [1]

    content {
      enabled     = true
      kms_key_arn = var.kms_key_arn
    }
  }

  # Only tidies up, sometimes days late. Code that needs an expiry compares it in the condition of its write.
  ttl {
    attribute_name = "delete_after"
    enabled        = true
  }
}
