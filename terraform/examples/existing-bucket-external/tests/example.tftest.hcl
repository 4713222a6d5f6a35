# The example hands its inputs on. It needs the zips of `make package`.

mock_provider "aws" { source = "../../tests/mocks" }

variables {
  name                = "logos"
  project_arn         = "arn:aws:rekognition:us-east-1:123456789012:project/logos/1700000000000"
  project_version_arn = "arn:aws:rekognition:us-east-1:123456789012:project/logos/version/logos.1/1700000000001"
}

run "adds_its_notifications_to_those_that_are_there" {
  command = plan

  assert {
    condition     = [for q in aws_s3_bucket_notification.photos.queue : q.filter_suffix] == [".pdf", ".jpg", ".jpeg", ".png", ".JPG", ".JPEG", ".PNG"]
    error_message = "The bucket must notify of documents as before, and of each kind of image."
  }

  assert {
    condition     = output.pipeline.source_bucket_name == "logos-photos-123456789012" && output.pipeline.final_bucket_name == "logos-results-123456789012"
    error_message = "The account's buckets must reach the module."
  }
}
