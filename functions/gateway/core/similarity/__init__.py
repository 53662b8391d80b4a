"""Whether two questions that embed alike may share an answer: what is different between them, word by word."""

from functions.gateway.core.similarity.comparing import may_share_answer

__all__ = ["may_share_answer"]
