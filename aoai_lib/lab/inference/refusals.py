"""What the data plane refuses, in its own words.

Bodies follow recorded answers where there are any (404 DeploymentNotFound, 400 content_filter), public issue reports
(OperationNotSupported, InvalidContentFilterPolicy, 429) and Microsoft Learn, "Troubleshoot Azure OpenAI errors" (2026).
"""

from typing import Any

FILTERED = (
    "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. "
    "Please modify your prompt and retry. To learn more about our content filtering policies please read our "
    "documentation: https://go.microsoft.com/fwlink/?linkid=2198766"
)
UNSAFE_PICTURE = "Generated image was filtered as a result of our safety system."
UNSAFE_IMAGE = (
    "Your request was rejected as a result of our safety system. Your prompt may contain text that is not allowed by "
    "our safety system."
)


class RefusedError(Exception):
    """A request that is answered with an error: ``status``, JSON ``body`` and further ``headers``."""

    def __init__(self, status: int, error: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        super().__init__(str(error.get("message")))
        self.status = status
        self.body = {"error": error}
        self.headers = headers or {}


def not_found() -> RefusedError:
    """A path, method or api-version that the data plane does not have."""
    return RefusedError(404, {"code": "404", "message": "Resource not found"})


def deployment_not_found() -> RefusedError:
    message = (
        "The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes, "
        "please wait a moment and try again."
    )
    return RefusedError(404, {"type": "invalid_request_error", "code": "DeploymentNotFound", "message": message})


def operation_not_supported(operation: str, model: str) -> RefusedError:
    message = (
        f"The {operation} operation does not work with the specified model, {model}. Please choose different model and "
        "try again. You can learn more about which models can be used with each operation here: "
        "https://go.microsoft.com/fwlink/?linkid=2197993."
    )
    return RefusedError(400, {"code": "OperationNotSupported", "message": message})


def invalid(message: str, param: str | None = None, code: str | None = None) -> RefusedError:
    """A 400 for what is wrong with the request's body."""
    return RefusedError(400, {"message": message, "type": "invalid_request_error", "param": param, "code": code})


def unsupported_parameter(param: str, instead: str) -> RefusedError:
    message = f"Unsupported parameter: '{param}' is not supported with this model. Use '{instead}' instead."
    return invalid(message, param, "unsupported_parameter")


def context_length_exceeded(limit: int, got: int, param: str) -> RefusedError:
    message = (
        f"This model's maximum context length is {limit} tokens. However, your messages resulted in {got} tokens. "
        f"Please reduce the length of the {param}."
    )
    return invalid(message, param, "context_length_exceeded")


def invalid_policy() -> RefusedError:
    message = "Your request contains invalid content filter policy. Please provide a valid policy."
    return RefusedError(400, {"code": "InvalidContentFilterPolicy", "message": message})


def rate_limited(operation: str, api: str, limit: str, seconds: int) -> RefusedError:
    message = (
        f"Requests to the {operation} Operation under {api} have exceeded {limit} rate limit of your current OpenAI S0 "
        f"pricing tier. Please retry after {seconds} seconds. Please go here: https://aka.ms/oai/quotaincrease if you "
        "would like to further increase the default rate limit."
    )
    headers = {"retry-after": str(seconds), "retry-after-ms": str(seconds * 1000)}
    return RefusedError(429, {"code": "429", "message": message}, headers)


def temporarily_blocked() -> RefusedError:
    message = (
        "Your resource has been temporarily blocked because we detected behavior that may violate our content policy. "
        "Please see the email sent to the subscription's owner for what to do next."
    )
    return RefusedError(403, {"code": "Forbidden", "message": message})


def prompt_filtered(results: dict[str, Any], content_filters: list[dict[str, Any]] | None = None) -> RefusedError:
    """A blocked prompt: the filter's results are in ``innererror.content_filter_result``."""
    inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": results}
    error: dict[str, Any] = {"message": FILTERED, "type": None, "param": "prompt", "code": "content_filter"}
    error |= {"status": 400, "innererror": inner}
    return RefusedError(400, error | ({"content_filters": content_filters} if content_filters else {}))


def image_prompt_filtered(results: dict[str, Any]) -> RefusedError:
    """A blocked image prompt. As recorded, the block is told by ``code`` alone: no result is marked as filtered."""
    unmarked = {k: v | {"filtered": False} for k, v in results.items()}
    inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_results": unmarked}
    error = {"code": "content_policy_violation", "inner_error": inner, "innererror": inner, "message": UNSAFE_IMAGE}
    return RefusedError(400, error | {"param": None, "type": "invalid_request_error"})


def image_filtered(results: dict[str, Any]) -> RefusedError:
    """A picture that was drawn and then blocked, in the form of the specification (dalleErrorResponse, 2024-10-21)."""
    inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_results": results}
    error = {"code": "contentFilter", "inner_error": inner, "message": UNSAFE_PICTURE, "param": None}
    return RefusedError(400, error | {"type": "invalid_request_error"})


def respelled(refused: RefusedError, model: str) -> RefusedError:
    """A filter's refusal in its other form: as the specification of 2024-10-21 spells it (``inner_error``,
    ``content_filter_results``) and not as recordings do; gpt-image's by the code that users report, and nothing else.
    """
    error = dict(refused.body["error"])
    if error.get("code") == "content_policy_violation" and model.startswith("gpt-image"):
        error = {
            "code": "moderation_blocked",
            "message": UNSAFE_IMAGE,
            "param": None,
            "type": "image_generation_user_error",
        }
    elif inner := error.pop("innererror", None):
        results = inner.get("content_filter_result", inner.get("content_filter_results"))
        error["inner_error"] = {"code": inner["code"], "content_filter_results": results}
    return RefusedError(refused.status, error, refused.headers)
