# A zip is known by its bytes. With a mocked provider, as a second plan needs what a first apply left.

mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }

  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/labels-check-queue" }
  }
}

variables {
  name         = "labels-check-queue"
  region       = "us-east-1"
  account_id   = "123456789012"
  description  = "Counts."
  handler      = "check_queue.handler.handler"
  policy_json  = "{\"Version\":\"2012-10-17\",\"Statement\":[]}"
  environment  = {}
  package_file = "./tests/packages/here/function.zip"
}

run "is_taken_from_where_it_is" {
  assert {
    condition     = aws_lambda_function.this.filename == "tests/packages/here/function.zip" && aws_lambda_function.this.source_code_hash == filebase64sha256("./tests/packages/here/function.zip")
    error_message = "The function must be made of the zip."
  }
}

run "is_the_same_by_its_absolute_path" {
  command = plan

  variables {
    package_file = abspath("./tests/packages/here/function.zip")
  }

  assert {
    condition     = local.package_file == "tests/packages/here/function.zip" && aws_lambda_function.this.filename == "tests/packages/here/function.zip"
    error_message = "An absolute path must be named as it is seen from where Terraform runs."
  }
}

run "is_the_same_in_another_folder" {
  command = plan

  variables {
    package_file = abspath("./tests/packages/there/function.zip")
  }

  assert {
    condition     = aws_lambda_function.this.filename == "tests/packages/here/function.zip" && aws_lambda_function.this.source_code_hash == filebase64sha256("./tests/packages/here/function.zip")
    error_message = "The same bytes in another folder must change nothing."
  }
}

run "is_another_when_its_bytes_are" {
  variables {
    package_file = "./tests/packages/newer/function.zip"
  }

  assert {
    condition     = aws_lambda_function.this.filename == "tests/packages/newer/function.zip" && aws_lambda_function.this.source_code_hash != filebase64sha256("./tests/packages/here/function.zip")
    error_message = "Other bytes must be taken from where they are."
  }
}

run "is_the_same_again_in_the_folder_before" {
  variables {
    package_file = "./tests/packages/there/function.zip"
  }

  assert {
    condition     = aws_lambda_function.this.filename == "tests/packages/there/function.zip"
    error_message = "Other bytes must be taken from where they are."
  }
}

run "may_be_above_and_beside_where_terraform_runs" {
  command = plan

  variables {
    package_file = abspath("../workflow/main.tf")
  }

  assert {
    condition     = local.package_file == "../workflow/main.tf"
    error_message = "The way must lead up and down again."
  }
}
