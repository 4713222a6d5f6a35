# The real provider with keys that no account knows: it plans and puts policy documents together without a network.
provider "aws" {
  region                      = "us-east-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
  skip_requesting_account_id  = true
}

run "the_bucket_is_private_encrypted_and_kept" {
  command = plan

  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.this.block_public_acls,
      aws_s3_bucket_public_access_block.this.block_public_policy,
      aws_s3_bucket_public_access_block.this.ignore_public_acls,
      aws_s3_bucket_public_access_block.this.restrict_public_buckets,
    ])
    error_message = "All four blocks of public access must be on."
  }

  assert {
    condition     = aws_s3_bucket_ownership_controls.this.rule[0].object_ownership == "BucketOwnerEnforced"
    error_message = "Access control lists must be off."
  }

  assert {
    condition     = one(aws_s3_bucket_server_side_encryption_configuration.this.rule).apply_server_side_encryption_by_default[0].sse_algorithm == "AES256"
    error_message = "Objects must be encrypted with S3's own keys."
  }

  assert {
    condition     = aws_s3_bucket.this.force_destroy == false && length(aws_s3_bucket_versioning.this) == 0
    error_message = "A bucket must not be destroyed with its objects, or versioned, unless asked for."
  }

  assert {
    condition = jsondecode(data.aws_iam_policy_document.bucket.json).Statement == [{
      Sid       = "DenyPlainHttp"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = ["arn:aws:s3:::labels-source-123456789012-us-east-1/*", "arn:aws:s3:::labels-source-123456789012-us-east-1"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
    error_message = "The bucket and its objects must be out of reach without TLS."
  }

  assert {
    condition = [for rule in aws_s3_bucket_lifecycle_configuration.this.rule : [rule.id, length(rule.expiration), length(rule.noncurrent_version_expiration)]] == [["incomplete-uploads", 0, 0]] && (
      aws_s3_bucket_lifecycle_configuration.this.rule[0].abort_incomplete_multipart_upload[0].days_after_initiation == 7
    )
    error_message = "Nothing but the parts of broken uploads may expire unless asked for."
  }

  assert {
    condition     = output.name == "labels-source-123456789012-us-east-1"
    error_message = "The name must be known at plan."
  }
}

run "versions_keys_and_the_end_are_as_asked_for" {
  command = plan

  variables {
    versioning_enabled = true
    force_destroy      = true

    noncurrent_version_days = 90
    expire_days_by_prefix   = { "labels/reconcile/" = 30 }

    kms_key_arn = "arn:aws:kms:us-east-1:123456789012:key/00000000-aaaa"
  }

  assert {
    condition     = sort(aws_s3_bucket_lifecycle_configuration.this.rule[*].id) == tolist(["expire-labels-reconcile", "expired-delete-markers", "incomplete-uploads", "noncurrent-versions"])
    error_message = "Nothing may expire but what is asked for."
  }

  assert {
    condition = alltrue([
      for rule in aws_s3_bucket_lifecycle_configuration.this.rule : {
        incomplete-uploads      = length(rule.expiration) + length(rule.noncurrent_version_expiration) == 0
        noncurrent-versions     = try(rule.noncurrent_version_expiration[0].noncurrent_days, 0) == 90 && length(rule.expiration) == 0
        expired-delete-markers  = try(rule.expiration[0].expired_object_delete_marker, false) && try(coalesce(rule.expiration[0].days, 0), 0) == 0
        expire-labels-reconcile = try(rule.expiration[0].days, 0) == 30 && try(rule.filter[0].prefix, "") == "labels/reconcile/"
      }[rule.id]
    ])
    error_message = "Old versions, markers of nothing and the folder asked for must expire, and no other current object."
  }

  assert {
    condition     = aws_s3_bucket_versioning.this[0].versioning_configuration[0].status == "Enabled" && aws_s3_bucket.this.force_destroy
    error_message = "versioning_enabled and force_destroy must reach the bucket."
  }

  assert {
    condition = (
      one(aws_s3_bucket_server_side_encryption_configuration.this.rule).apply_server_side_encryption_by_default[0].sse_algorithm == "aws:kms" &&
      one(aws_s3_bucket_server_side_encryption_configuration.this.rule).apply_server_side_encryption_by_default[0].kms_master_key_id == "arn:aws:kms:us-east-1:123456789012:key/00000000-aaaa" &&
      one(aws_s3_bucket_server_side_encryption_configuration.this.rule).bucket_key_enabled
    )
    error_message = "Objects must be encrypted with the key, and the bucket must spare it calls."
  }
}
