# The example hands its inputs on. It needs the zips of `make package`.

mock_provider "aws" { source = "../../tests/mocks" }

variables {
  name                = "logos"
  project_arn         = "arn:aws:rekognition:us-east-1:123456789012:project/logos/1700000000000"
  project_version_arn = "arn:aws:rekognition:us-east-1:123456789012:project/logos/version/logos.1/1700000000001"
  emails              = ["me@example.com", "you@example.com"]
}

run "mails_about_images_and_about_runs_that_did_not_end_well" {
  command = plan

  assert {
    condition = (
      jsondecode(aws_cloudwatch_event_rule.image.event_pattern) == { source = ["custom-labels-batch.logos"], detail-type = ["Alert Label Found"] } &&
      jsondecode(aws_cloudwatch_event_rule.run.event_pattern).source == ["custom-labels-batch.logos"]
    )
    error_message = "The rules must pick this deployment's events."
  }

  assert {
    condition     = { for mail in aws_sns_topic_subscription.mail : mail.endpoint => mail.protocol } == { "me@example.com" = "email", "you@example.com" = "email" }
    error_message = "Each address must get the mails."
  }
}
