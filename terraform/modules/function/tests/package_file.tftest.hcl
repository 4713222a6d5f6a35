# A zip is known by its bytes. With a mocked provider, as a second plan needs what a first apply left.

mock_provider "aws" { source = "../../tests/mocks" }

variables {
  code = {
    handler           = "check_queue.handler.handler"
    file              = "./tests/packages/here/function.zip"
    s3_bucket         = null
    s3_key            = null
    s3_object_version = null
    runtime           = "python3.13"
    architecture      = "arm64"
  }
}

run "is_taken_from_where_it_is" {
  assert {
    condition     = aws_lambda_function.this.filename == "tests/packages/here/function.zip" && aws_lambda_function.this.source_code_hash == filebase64sha256("./tests/packages/here/function.zip")
    error_message = "The function must be made of the zip."
  }
}

run "is_the_same_in_another_folder" {
  command = plan

  variables {
    code = {
      handler           = "check_queue.handler.handler"
      file              = abspath("./tests/packages/there/function.zip")
      s3_bucket         = null
      s3_key            = null
      s3_object_version = null
      runtime           = "python3.13"
      architecture      = "arm64"
    }
  }

  assert {
    condition     = aws_lambda_function.this.filename == "tests/packages/here/function.zip" && aws_lambda_function.this.source_code_hash == filebase64sha256("./tests/packages/here/function.zip")
    error_message = "The same bytes in another folder must change nothing."
  }
}

run "is_another_when_its_bytes_are_and_may_be_above_and_beside_where_terraform_runs" {
  variables {
    code = {
      handler           = "check_queue.handler.handler"
      file              = abspath("../workflow/main.tf")
      s3_bucket         = null
      s3_key            = null
      s3_object_version = null
      runtime           = "python3.13"
      architecture      = "arm64"
    }
  }

  assert {
    condition     = aws_lambda_function.this.filename == "../workflow/main.tf" && aws_lambda_function.this.source_code_hash == filebase64sha256("../workflow/main.tf")
    error_message = "Other bytes must be taken from where they are, and the way there must lead up and down again."
  }
}

run "is_taken_by_its_absolute_path_as_it_is_seen_from_where_terraform_runs" {
  variables {
    code = {
      handler           = "check_queue.handler.handler"
      file              = abspath("./tests/packages/there/function.zip")
      s3_bucket         = null
      s3_key            = null
      s3_object_version = null
      runtime           = "python3.13"
      architecture      = "arm64"
    }
  }

  assert {
    condition     = aws_lambda_function.this.filename == "tests/packages/there/function.zip" && aws_lambda_function.this.source_code_hash == filebase64sha256("./tests/packages/there/function.zip")
    error_message = "Other bytes must be taken from where they are, and an absolute path be named as it is seen from where Terraform runs."
  }
}
