# The example hands its inputs on. It needs the zips of `make package`.

mock_provider "aws" { source = "../../tests/mocks" }

variables {
  name                = "logos"
  project_arn         = "arn:aws:rekognition:us-east-1:123456789012:project/logos/1700000000000"
  project_version_arn = "arn:aws:rekognition:us-east-1:123456789012:project/logos/version/logos.1/1700000000001"
}

run "reads_and_writes_one_bucket" {
  command = plan

  assert {
    condition     = output.pipeline.source_bucket_name == "logos-photos-123456789012" && output.pipeline.final_bucket_name == "logos-photos-123456789012"
    error_message = "Both must be the account's bucket."
  }
}
