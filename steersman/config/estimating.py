"""What `train ... --dry-run` reckons with: devices, their speed and price, and rows that are not at hand."""

from pydantic import Field

from steersman.config.loading import Settings


class EstimateSettings(Settings):
    """Facts about devices and rows that the estimate cannot find out; training never reads them."""

    model: str | None = Field(
        None, min_length=1, description="a model of the same shape, where the one to train is not at hand"
    )
    devices: int = Field(1, ge=1, description="devices that share the training, over all machines")
    device_memory_gb: float | None = Field(None, gt=0, description="memory of one device in 10^9 bytes")
    peak_tflops: float | None = Field(
        None, gt=0, description="most 10^12 operations per second of one device in the number format of the training"
    )
    share_of_peak: float | None = Field(None, gt=0, le=1, description="of peak_tflops that training reaches")
    exchange_gb_per_second: float | None = Field(
        None, gt=0, description="10^9 bytes per second that one device sends to the others; null = exchange is free"
    )
    price_per_device_hour: float | None = Field(None, gt=0, description="in any currency; null = no cost is printed")
    train_pairs: int | None = Field(None, ge=1, description="pairs in data.train, where the file is not at hand")
    validation_pairs: int | None = Field(None, ge=1, description="the same of data.validation")
    prompt_tokens: float | None = Field(None, ge=1, description="mean length of prompts, where files are not at hand")
    response_tokens: float | None = Field(
        None, ge=1, description="mean length of responses, where files are not at hand"
    )
